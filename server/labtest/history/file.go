package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Save writes a history to a file, one request a line, so that Load and Judge give its report again.
func Save(name string, ops []Op) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for _, o := range ops {
		if err := e.Encode(o); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Load reads what Save wrote.
func Load(name string) (ops []Op, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(f))
	for {
		var o Op
		switch err := d.Decode(&o); {
		case err == io.EOF:
			return ops, nil
		case err != nil:
			return nil, fmt.Errorf("%s, request %d: %w", name, len(ops)+1, err)
		}
		ops = append(ops, o)
	}
}
