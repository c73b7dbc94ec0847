package diskcache

import (
	"context"
	"time"
)

// WaitReady waits until the folder was looked through, or cannot be.
func (c *Cache) WaitReady(ctx context.Context) bool {
	for {
		c.mu.Lock()
		binding := c.binding
		ready := c.ready
		c.mu.Unlock()
		if !binding {
			return ready
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Millisecond):
		}
	}
}
