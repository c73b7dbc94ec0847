package main

import (
	"fmt"
	"math"
	"slices"
)

// quantile gives the value that the share q of all values does not exceed.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}

// about writes the median of rounds with its spread; format is of one number.
func about(v []float64, format string) string {
	if len(v) == 0 {
		return ""
	}
	mid, spread := median(v)
	return fmt.Sprintf(format+" ± %.0f %%", mid, spread)
}

// aboutThousands is about for big whole numbers.
func aboutThousands(v []float64) string {
	mid, spread := median(v)
	return fmt.Sprintf("%s ± %.0f %%", thousands(int(math.Round(mid))), spread)
}
