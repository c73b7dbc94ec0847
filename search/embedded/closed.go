package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// closedFile notes what root.bolt was when the index was closed. Pages of that file have no sums of their own, and who
// reads a broken one writes into memory that is not his: it has to be known before it is opened. After a kill there is
// no note of that state, and the file is as its last transaction left it.
const closedFile = "closed.json"

type closed struct {
	Moment string `json:"moment"` // the numbers of its last two transactions: of another moment, the note is void
	Sum    uint32 `json:"sum"`
}

// closedNow reads the state of root.bolt.
func closedNow(path string) (closed, error) {
	data, err := os.ReadFile(filepath.Join(path, rootFile))
	if err != nil {
		return closed{}, err
	}
	c := closed{Sum: crc32.ChecksumIEEE(data)}
	const number = 64 // where a page of meta data has it
	for _, at := range []int{number, os.Getpagesize() + number} {
		if at+8 <= len(data) {
			c.Moment += fmt.Sprintf("%x.", data[at:at+8])
		}
	}
	return c, nil
}

// note writes down the state after bleve has closed the index. Without it less is checked, so that it may fail.
func note(path string) {
	c, err := closedNow(path)
	if err != nil {
		return
	}
	if data, err := json.Marshal(c); err == nil {
		_ = os.WriteFile(filepath.Join(path, closedFile), data, 0o600)
	}
}

// checkNote compares root.bolt with the note, if there is one of its moment.
func checkNote(path string) error {
	data, err := os.ReadFile(filepath.Join(path, closedFile))
	if err != nil {
		return nil // it was killed, or is new
	}
	var was closed
	if json.Unmarshal(data, &was) != nil {
		return nil // it was killed while it noted
	}
	is, err := closedNow(path)
	if err != nil {
		return err
	}
	if is.Moment == was.Moment && is.Sum != was.Sum {
		return errors.New("root.bolt is not what it was when the index was closed")
	}
	return nil
}
