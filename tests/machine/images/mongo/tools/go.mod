module devenv.test/mongotools

go 1.24

require (
	github.com/dop251/goja v0.0.0-20250630131328-58d95d85e994
	go.mongodb.org/mongo-driver/v2 v2.8.2
)
