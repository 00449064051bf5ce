"""The road to the server: the one package that imports grpc."""
