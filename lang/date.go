package lang

import (
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

type monthNames struct{ pattern, names string }

// months are the names of the months and the pattern of a date by language: D, M and Y stand for day, month and
// year.
var months = map[string]monthNames{
	"en": {"D M Y", "January February March April May June July August September October November December"},
	"de": {"D. M Y", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"},
	"fr": {"D M Y", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"},
	"es": {"D de M de Y", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"},
	"it": {"D M Y", "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"},
	"nl": {"D M Y", "januari februari maart april mei juni juli augustus september oktober november december"},
	"pt": {"D de M de Y", "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"},
	"ja": {"Y年M月D日", "1 2 3 4 5 6 7 8 9 10 11 12"},
	"zh": {"Y年M月D日", "1 2 3 4 5 6 7 8 9 10 11 12"},
}

// Date writes the day of t as people read it in the language of l; in languages whose names of months are not
// known it is 2026-03-12, which everybody can read. The zone is that of t.
func Date(l stoa.Locale, t time.Time) string {
	m, ok := months[l.Language()]
	if !ok {
		return t.Format(time.DateOnly)
	}
	pattern := m.pattern
	if l == "en-US" {
		pattern = "M D, Y"
	}
	return m.write(pattern, t)
}

// Month writes the month of t with its year, as the heading of a calendar, in the language of l; 2026-03 where the
// names of months are not known. The zone is that of t.
func Month(l stoa.Locale, t time.Time) string {
	m, ok := months[l.Language()]
	if !ok {
		return t.Format("2006-01")
	}
	pattern := m.pattern[strings.IndexByte(m.pattern, 'M'):]
	if strings.HasPrefix(m.pattern, "Y") {
		pattern, _, _ = strings.Cut(m.pattern, "D")
	}
	return m.write(pattern, t)
}

// SundayFirst reports whether weeks begin with the Sunday where l is spoken, instead of the Monday.
func SundayFirst(l stoa.Locale) bool { return l == "en-US" || l.Language() == "ja" }

func (m monthNames) write(pattern string, t time.Time) string {
	var b strings.Builder
	for _, r := range pattern {
		switch r {
		case 'D':
			b.WriteString(strconv.Itoa(t.Day()))
		case 'M':
			b.WriteString(strings.Fields(m.names)[t.Month()-1])
		case 'Y':
			b.WriteString(strconv.Itoa(t.Year()))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Day is an argument of a sentence that is written as Date writes it, in the language of the reader.
type Day time.Time

// String is the day in English.
func (d Day) String() string { return Date("en", time.Time(d)) }

// Moment writes a time to the minute, with the hours as the language counts them. The zone is that of t.
func Moment(l stoa.Locale, t time.Time) string {
	switch {
	case l == "en-US":
		return Date(l, t) + ", " + t.Format("3:04 PM")
	case l.Language() == "ja", l.Language() == "zh":
		return Date(l, t) + " " + t.Format("15:04")
	}
	return Date(l, t) + ", " + t.Format("15:04")
}
