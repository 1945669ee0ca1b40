// Pins FerretDB, a server of the tests, by version and checksum; scripts/peer-ferretdb.sh builds it. The go.sum inside
// the module pins what it is made of.
module github.com/dunlin-mq/dunlin/testenv/ferretdb

go 1.26.0

require github.com/FerretDB/FerretDB v1.24.0
