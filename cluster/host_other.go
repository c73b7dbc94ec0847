//go:build !linux

package cluster

import "os"

// HostID tells one host from another; without Linux's means that is its name.
func HostID() string {
	name, _ := os.Hostname()
	return name
}
