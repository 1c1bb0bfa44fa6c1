"""Files and what lies in them: durable writes, Parquet tables, rows of any table file, places, digests,
locks, spills."""
