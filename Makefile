PROTOS = $(shell find proto -name '*.proto')
