// Package backup reads and writes the data exports of EMQ X 4: the accounts,
// ACL rules, bans and logins of a broker in one JSON file, by which an
// installation moves from one program or machine to another.
//
// It knows the format of versions 4.0 to 4.4 and how to merge such a file into
// what a node keeps, behind the interfaces of Target. It serves no HTTP, keeps
// nothing itself but a folder of files, and holds no messages: EMQ X exports
// none.
//
// # The format
//
// An object with version ("4.3"), date, and a list for each kind of record.
//
//   - auth_mnesia: built-in accounts {login, type, password, created_at}. Until
//     4.2 there is no type: a key of the configuration, auth.mnesia.as, said
//     what a login is, so whoever imports has to say it; is_superuser stands
//     there as well. password is, in base64, four bytes of salt and the
//     hexadecimal digest, or the digest alone; some versions left the base64
//     out. The kind of digest is not in the file, but shows in its length.
//   - auth_clientid, auth_username: accounts of two plugins of 4.0 to 4.2,
//     {clientid or username, password}.
//   - acl_mnesia: {type, type_value, topic, action, access, created_at}, for
//     all without type_value; until 4.2 {login, topic, action, allow}.
//   - blacklist: {who: {clientid, username or peerhost: X}, by, reason, at,
//     until}. EMQ X writes an address as an array of the codes of its
//     characters, and reads only that.
//   - apps: {id, secret, name, desc, status, expired}, the secret in clear.
//   - users: of the dashboard, {username, password, tags}: in base64, four
//     bytes of salt and the digest of salt and password, MD5 or SHA-256.
//   - rules, resources; of the Enterprise edition modules, schemas, configs and
//     listeners_state. These are not imported, but counted.
//
// What EMQ X has no form for, an export of ours holds in lists whose names
// begin with dunlin_ and which EMQ X leaves alone: passwords with another hash,
// apps, whose secrets exist as hashes only, and bans of networks.
package backup
