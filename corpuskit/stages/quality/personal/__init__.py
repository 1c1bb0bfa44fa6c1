"""Personal data in texts: e-mail, telephone, internet addresses, card and bank account numbers."""
