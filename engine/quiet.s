// With this file quiet.go may declare a function without a body.
