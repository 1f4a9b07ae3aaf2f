"""What the numbers look like: tables in the terminal, charts, one HTML page. Reads tables only; runs without torch."""
