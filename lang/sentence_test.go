package lang_test

import (
	"testing"

	"github.com/stoa-portal/stoa/lang"
)

func TestSentence_EndsAsItsLanguageDoes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                      "",
		"there is no page":      "There is no page.",
		"écrivez un nom":        "Écrivez un nom.",
		"das ist fertig.":       "Das ist fertig.",
		"is this right?":        "Is this right?",
		`there is no page "日本"`: `There is no page "日本".`,
		"ページはありません":             "ページはありません。",
		"ページはありません。":            "ページはありません。",
		"いまの値は「公開」":             "いまの値は「公開」。",
		"要素が多すぎます（3 行目）":        "要素が多すぎます（3 行目）。",
		"リクエストのホスト名が正しくありません: \"x\"": "リクエストのホスト名が正しくありません: \"x\".",
	} {
		if got := lang.Sentence(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}
