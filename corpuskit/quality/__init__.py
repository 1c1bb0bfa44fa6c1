"""Quality: rules that measure documents and drop the bad ones."""
