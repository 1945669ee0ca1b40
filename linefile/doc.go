// Package linefile writes lines to files without holding whoever has something
// to say: a Queue, bounded and counting what it loses, in front of a File that
// is rotated or ends at a size. The log of the node and its traces are made of
// these.
//
// It doesn't know what stands in a line, but for the names of levels, which are
// EMQ X's.
package linefile
