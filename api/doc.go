// Package api is how a node is managed: EMQ X's REST interface, versions 3 and
// 4, over HTTP for those who log in, and over a Unix socket in the data
// directory for the command line, where the rights of the file are the login.
//
// Every route is declared once, in a table (route.go): the routing, the list a
// GET of the root returns, the checks of parameters, the OpenAPI document
// (openapi.go) and the page at /api-docs come out of it. What a route answers it
// says in a notation (answer.go) that the contract tests hold it to. What is
// managed is behind small interfaces (managed.go), the broker and the metrics
// aside, which are what they are; a part that is nil has no routes. The package
// holds no state of the broker and takes no decision about it. Who may manage is
// package login's, the dashboard's pages are another's.
package api
