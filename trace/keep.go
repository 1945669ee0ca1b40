package trace

import (
	"encoding/json"
	"fmt"
)

// load reads the named traces. One that can't be read is left out: it keeps
// nobody from starting.
func (t *Tracer) load() error {
	if t.o.Keep == nil {
		return nil
	}
	return t.o.Keep.Each(func(key string, value []byte) error {
		e := new(entry)
		err := json.Unmarshal(value, e)
		if err == nil && (e.Name != key || !nameForm.MatchString(key)) {
			err = fmt.Errorf("its name is %q", e.Name)
		}
		if err == nil {
			err = e.check()
		}
		if err != nil {
			t.o.Log.Error("a trace that was kept can't be read", "trace", key, "err", err)
			return nil
		}
		t.named[key] = e
		return nil
	})
}

// keep writes down a named trace.
func (t *Tracer) keep(e *entry) error {
	if t.o.Keep == nil || e.path != "" {
		return nil
	}
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return t.o.Keep.Put(e.Name, value)
}
