"""The commands of the command line, one function each: arguments in, text out."""
