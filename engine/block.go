package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/minio/highwayhash"
)

// The files of a stream, as the embedded server writes them: records one after
// the other, little endian,
//
//	length 4 (of the whole record; the highest bit: headers follow the subject)
//	number 8, time 8 (ns), length of the subject 2, subject,
//	[length of the headers 4, headers,] data, checksum 8
//
// The checksum is a keyed hash of all but the lengths. A file is only ever
// added to, or replaced by one with fewer records.
const (
	blockHead    = 22
	blockSum     = 8
	blockHeaders = 1 << 31
	blockErased  = 1 << 63 // in the number: what was here is gone
	blockMark    = 1 << 62 // in the number: says that a record elsewhere is gone
	blockLongest = 32 << 20
)

var (
	errCut     = errors.New("the file ends within a record")
	errDamaged = errors.New("a record is damaged")
)

// blockRecord is a record of a file. Its slices are parts of the buffer.
type blockRecord struct {
	size    int    // bytes in the file
	seq     uint64 // with the bits above
	time    int64
	subject []byte
	headers []byte
	data    []byte
}

// gone says that the record holds nothing to read.
func (r *blockRecord) gone() bool { return r.seq&(blockErased|blockMark) != 0 || r.seq == 0 }

// blockSize reads the size of the record that buf begins with.
func blockSize(buf []byte) (int, error) {
	if len(buf) < 4 {
		return 0, errCut
	}
	n := int(binary.LittleEndian.Uint32(buf) &^ blockHeaders)
	if n < blockHead+blockSum || n > blockLongest {
		return 0, errDamaged
	}
	return n, nil
}

// parseBlock reads the record that buf begins with. With errCut, buf ends too
// early.
func parseBlock(buf []byte) (r blockRecord, err error) {
	if r.size, err = blockSize(buf); err != nil {
		return r, err
	}
	if len(buf) < r.size {
		return r, errCut
	}
	r.seq = binary.LittleEndian.Uint64(buf[4:])
	r.time = int64(binary.LittleEndian.Uint64(buf[12:]))
	rest := buf[blockHead : r.size-blockSum]
	n := int(binary.LittleEndian.Uint16(buf[20:]))
	if n > len(rest) {
		return r, errDamaged
	}
	r.subject, rest = rest[:n], rest[n:]
	if binary.LittleEndian.Uint32(buf)&blockHeaders != 0 {
		if len(rest) < 4 {
			return r, errDamaged
		}
		n := binary.LittleEndian.Uint32(rest)
		if rest = rest[4:]; uint64(n) > uint64(len(rest)) {
			return r, errDamaged
		}
		r.headers, rest = rest[:n], rest[n:]
	}
	r.data = rest
	return r, nil
}

// blockHash makes the hash that the records of a file are checked with. It
// serves one goroutine.
func blockHash(stream string, number uint64) hash.Hash64 {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, number))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		panic(err) // the length of a key is right
	}
	return h
}

// intact says whether the record that buf begins with is as it was written.
func (r *blockRecord) intact(buf []byte, h hash.Hash64) bool {
	h.Reset()
	h.Write(buf[4:20])
	h.Write(r.subject)
	h.Write(r.headers)
	h.Write(r.data)
	var sum [blockSum]byte
	return bytes.Equal(h.Sum(sum[:0]), buf[r.size-blockSum:r.size])
}
