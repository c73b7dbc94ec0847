package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func newNodeID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails; it ends the process instead
	return hex.EncodeToString(b[:])
}

func nodeIDFile(home string) string { return filepath.Join(home, "data", "node-id") }

// loadNodeID reads the id of the home directory, and makes one when there is none.
func loadNodeID(home string) (string, error) {
	raw, err := os.ReadFile(nodeIDFile(home))
	if errors.Is(err, fs.ErrNotExist) {
		id := newNodeID()
		return id, saveNodeID(home, id)
	}
	if err != nil {
		return "", fmt.Errorf("read the node id: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if !validNodeID(id) {
		return "", fmt.Errorf("%s holds %.40q: 1 to 60 letters, digits, dots, hyphens or underscores are expected; delete the file to get a new id", nodeIDFile(home), id)
	}
	return id, nil
}

// saveNodeID replaces the file in one step, so that a crash leaves the old id or the new one.
func saveNodeID(home, id string) error {
	file := nodeIDFile(home)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("keep the node id: %w", err)
	}
	if err := os.WriteFile(file+".new", []byte(id+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the node id: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("keep the node id: %w", err)
	}
	return nil
}

func validNodeID(id string) bool {
	if id == "" || len(id) > 60 {
		return false
	}
	for _, c := range id {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
