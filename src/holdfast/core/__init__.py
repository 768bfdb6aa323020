"""Pure rules: values, schemas, points in history, hashes and the three-way merge of rows. No input or output."""
