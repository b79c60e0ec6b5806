"""Reference facts that ship with the exchange, as CSV files, and the code that reads them."""
