// Package hook has the extension points of the broker: typed lists of
// functions that are called, in a fixed order, when something happens to a
// client, a session or a message.
//
// The points are those of EMQ X 3 and 4, but for three: client.authenticate,
// client.enhanced_authenticate and client.check_acl are the chains of package
// auth, whose members may ask somebody else and take their time. Each has a Chain of its own and an
// event struct that carries what EMQ X passes; a function that may change the
// outcome changes the struct's fields marked as such. The package holds no
// policy: what hangs on a point is decided by the parts that add to it.
package hook
