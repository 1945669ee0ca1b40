package builtin

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// readCSV reads RFC 4180, with a header that names the columns.
func (c *collector) readCSV(text []byte) {
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		c.fail(1, errors.New("expected a header such as user_id,password_hash,salt,is_superuser, or a JSON array"))
		return
	}
	if err != nil {
		c.failCSV(err)
		return
	}
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.TrimSpace(name)
		if err := new(entry).set(columns[i], ""); err != nil {
			c.fail(1, err)
		}
	}
	for len(c.errs) < maxErrors {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			c.failCSV(err)
			if !errors.Is(err, csv.ErrFieldCount) {
				return // where the next row begins is not known
			}
			continue
		}
		line, _ := r.FieldPos(0)
		var e entry
		for i, value := range row {
			if err := e.set(columns[i], value); err != nil {
				c.fail(line, err)
			}
		}
		c.take(line, &e)
	}
}

func (c *collector) failCSV(err error) {
	var p *csv.ParseError
	if errors.As(err, &p) {
		c.fail(p.Line, p.Err)
		return
	}
	c.fail(1, err)
}

// set sets the field of a column.
func (e *entry) set(column, value string) error {
	switch column {
	case "clientid":
		e.ClientID = value
	case "username":
		e.Username = value
	case "user_id":
		e.UserID = value
	case "password":
		e.Password = value
	case "password_hash":
		e.Stored = value
	case "salt":
		e.Salt = value
	case "hash":
		e.Hash = value
	case "is_superuser":
		return e.Superuser.UnmarshalText([]byte(value))
	case "login":
		e.Login = value
	case "type":
		e.Type = auth.SubjectKind(value)
	case "created_at":
	default:
		return fmt.Errorf("expected the columns clientid, username or user_id, and password or password_hash, salt, hash, is_superuser; found %q", column)
	}
	return nil
}
