"""The finder's training: fields of many microscopes in, an int8 network out that finds cells on any other."""
