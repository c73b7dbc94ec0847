package stoa

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseZone reads a time zone as people and Java write it: a name of the IANA database (Europe/Vienna), one of the
// three letters of java.util.TimeZone (PST), or an offset (GMT-3, GMT+05:30, UTC+2). Its String is a name that
// ParseZone reads again; for whole hours it is one of the IANA database, where Etc/GMT+3 is three hours behind. It
// returns Invalid when s is none of these.
func ParseZone(s string) (*time.Location, error) {
	s = strings.TrimSpace(s)
	wrong := func() (*time.Location, error) {
		return nil, Invalid("timeZone", "%q is not a time zone: a name such as UTC, Europe/Vienna or America/Sao_Paulo, "+
			"or an offset such as GMT-3 or GMT+05:30, is expected", clip(s, 60))
	}
	if len(s) > 60 {
		return wrong()
	}
	if offset, ok := zoneOffset(s); ok {
		return offset, nil
	}
	if name, ok := javaZones()[s]; ok {
		s = name
	}
	if s == "" || s == "Local" {
		return wrong()
	}
	l, err := time.LoadLocation(s)
	if err != nil {
		return wrong()
	}
	return l, nil
}

// zoneOffset reads GMT, UTC or UT with hours, or hours and minutes, at most 18 hours, as java.time.ZoneId does.
func zoneOffset(s string) (*time.Location, bool) {
	rest := ""
	for _, prefix := range []string{"GMT", "UTC", "UT"} {
		var ok bool
		if rest, ok = strings.CutPrefix(s, prefix); ok {
			break
		}
	}
	if len(rest) < 2 || len(rest) > 6 || rest[0] != '+' && rest[0] != '-' {
		return nil, false
	}
	sign, digits := rest[:1], rest[1:]
	hours, minutes, colon := strings.Cut(digits, ":")
	if !colon {
		minutes = "00"
		if len(digits) > 2 {
			hours, minutes = digits[:len(digits)-2], digits[len(digits)-2:]
		}
	}
	h, m := number(hours), number(minutes)
	if len(hours) > 2 || len(minutes) != 2 || h < 0 || h > 18 || m < 0 || m > 59 || h == 18 && m > 0 {
		return nil, false
	}
	switch {
	case h == 0 && m == 0:
		return time.UTC, true
	case m == 0 && sign == "-" && h <= 12:
		return etc("Etc/GMT+" + strconv.Itoa(h))
	case m == 0 && sign == "+" && h <= 14:
		return etc("Etc/GMT-" + strconv.Itoa(h))
	}
	seconds := (h*60 + m) * 60
	if sign == "-" {
		seconds = -seconds
	}
	return time.FixedZone(fmt.Sprintf("GMT%s%02d:%02d", sign, h, m), seconds), true
}

func etc(name string) (*time.Location, bool) {
	l, err := time.LoadLocation(name)
	return l, err == nil
}

// number is a decimal number without a sign, -1 for everything else.
func number(s string) int {
	if strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// javaZones is the short ids of java.time.ZoneId.SHORT_IDS, which java.util.TimeZone reads. EST, MST and HST are names
// of the IANA database, too.
func javaZones() map[string]string {
	return map[string]string{
		"ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires",
		"ART": "Africa/Cairo", "AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka",
		"CAT": "Africa/Harare", "CNT": "America/St_Johns", "CST": "America/Chicago", "CTT": "Asia/Shanghai",
		"EAT": "Africa/Addis_Ababa", "ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis",
		"IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "MIT": "Pacific/Apia", "NET": "Asia/Yerevan",
		"NST": "Pacific/Auckland", "PLT": "Asia/Karachi", "PNT": "America/Phoenix", "PRT": "America/Puerto_Rico",
		"PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal", "VST": "Asia/Ho_Chi_Minh",
	}
}
