// Package file decides by the rules of a file, EMQ X's acl.conf: Erlang terms,
// read from the top, of which the first that fits settles the matter.
//
//	{allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}.
//	{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.
//
// The grammar is that of EMQ X 3 and 4, with {username, …}, {clientid, …},
// {re, "…"} and the action all from EMQX 5. What no rule covers is left to
// acl_nomatch. Every mistake is an error with its line and column; a file with
// a mistake is never used in part.
//
// The package keeps no rules that are made at run time (see auth/builtin),
// caches nothing, and doesn't watch the file: Reload is called.
package file
