"""The browser page: rules and surfaces as JavaScript in one file, which needs no server and no network."""
