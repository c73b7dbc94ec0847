package admin

import (
	"encoding/json"

	"github.com/stoa-portal/stoa/lang"
)

// scriptWords gives the words of the scripts that stand on all screens as JSON: the names are those that admin.js and
// lock.js ask for.
func scriptWords(w *lang.Words) (string, error) {
	return inJSON(map[string]string{
		"cancel":   w.Word("panel.script.cancel"),
		"close":    w.Word("panel.script.close"),
		"confirm":  w.Word("panel.script.confirm"),
		"typeName": w.Word("panel.script.type-name"),
		"one":      w.Word("panel.script.one"),
		"many":     w.Word("panel.script.many"),
		"saved":    w.Word("panel.script.saved"),
		"unsaved":  w.Word("panel.script.unsaved"),
		"copied":   w.Word("panel.script.copied"),
		"failed":   w.Word("panel.script.failed"),
		"goOn":     w.Word("panel.lock.go-on"),
	})
}

// pickerWords gives the words of picker.js as JSON.
func pickerWords(w *lang.Words) (string, error) {
	return inJSON(map[string]string{
		"choose": w.Word("panel.picker.choose"),
		"change": w.Word("panel.picker.change"),
		"remove": w.Word("panel.picker.remove"),
		"search": w.Word("panel.picker.search"),
		"upload": w.Word("panel.picker.upload"),
		"more":   w.Word("panel.picker.more"),
		"none":   w.Word("panel.picker.none"),
		"empty":  w.Word("panel.picker.empty"),
		"close":  w.Word("panel.script.close"),
		"failed": w.Word("panel.script.failed"),

		"chooseVideo":   w.Word("layout.pick.video"),
		"chooseArticle": w.Word("layout.pick.article"),
		"noVideo":       w.Word("layout.pick.no-video"),
		"noArticle":     w.Word("layout.pick.no-article"),
		"searchVideo":   w.Word("layout.pick.search-video"),
		"searchArticle": w.Word("layout.pick.search-article"),
		"uploadVideo":   w.Word("layout.pick.upload-video"),
		"nothing":       w.Word("layout.pick.nothing"),
		"add":           w.Word("layout.pick.add"),
		"alt":           w.Word("layout.pick.alt"),
		"caption":       w.Word("layout.pick.caption"),
		"up":            w.Word("pages.up"),
		"down":          w.Word("pages.down"),
		"full":          w.Word("layout.pick.full", 100),
	})
}

// editorWords gives the words of the rich text editor as JSON; tools/editor/src/dom.js has the names.
func editorWords(w *lang.Words) (string, error) {
	return inJSON(map[string]string{
		"toolbar":      w.Word("editor.toolbar"),
		"style":        w.Word("editor.style"),
		"paragraph":    w.Word("editor.paragraph"),
		"heading2":     w.Word("editor.heading-2"),
		"heading3":     w.Word("editor.heading-3"),
		"heading4":     w.Word("editor.heading-4"),
		"bold":         w.Word("editor.bold"),
		"italic":       w.Word("editor.italic"),
		"strike":       w.Word("editor.strike"),
		"code":         w.Word("editor.code"),
		"link":         w.Word("editor.link"),
		"bulletList":   w.Word("editor.bullet-list"),
		"orderedList":  w.Word("editor.ordered-list"),
		"blockquote":   w.Word("editor.blockquote"),
		"codeBlock":    w.Word("editor.code-block"),
		"table":        w.Word("editor.table"),
		"image":        w.Word("editor.image"),
		"rule":         w.Word("editor.rule"),
		"clear":        w.Word("editor.clear"),
		"undo":         w.Word("editor.undo"),
		"redo":         w.Word("editor.redo"),
		"source":       w.Word("editor.source"),
		"address":      w.Word("editor.address"),
		"linkSearch":   w.Word("editor.link-search"),
		"linkNone":     w.Word("editor.link-none"),
		"linkFound":    w.Word("editor.link-found"),
		"newTab":       w.Word("editor.new-tab"),
		"apply":        w.Word("editor.apply"),
		"remove":       w.Word("editor.remove"),
		"cancel":       w.Word("editor.cancel"),
		"close":        w.Word("editor.close"),
		"insert":       w.Word("editor.insert"),
		"alt":          w.Word("editor.alt"),
		"altHelp":      w.Word("editor.alt-help"),
		"caption":      w.Word("editor.caption"),
		"addCaption":   w.Word("editor.add-caption"),
		"position":     w.Word("editor.position"),
		"alignnone":    w.Word("editor.alignnone"),
		"alignleft":    w.Word("editor.alignleft"),
		"aligncenter":  w.Word("editor.aligncenter"),
		"alignright":   w.Word("editor.alignright"),
		"alignwide":    w.Word("editor.alignwide"),
		"alignfull":    w.Word("editor.alignfull"),
		"upload":       w.Word("editor.upload"),
		"choose":       w.Word("editor.choose"),
		"search":       w.Word("editor.search"),
		"nothing":      w.Word("editor.nothing"),
		"more":         w.Word("editor.more"),
		"uploading":    w.Word("editor.uploading"),
		"failed":       w.Word("editor.failed"),
		"language":     w.Word("editor.language"),
		"rowAfter":     w.Word("editor.row-after"),
		"columnAfter":  w.Word("editor.column-after"),
		"deleteRow":    w.Word("editor.delete-row"),
		"deleteColumn": w.Word("editor.delete-column"),
		"headerRow":    w.Word("editor.header-row"),
		"headerColumn": w.Word("editor.header-column"),
		"merge":        w.Word("editor.merge"),
		"deleteTable":  w.Word("editor.delete-table"),
		"placeholder":  w.Word("editor.placeholder"),
		"help":         w.Word("editor.help"),
	})
}

func inJSON(words map[string]string) (string, error) {
	raw, err := json.Marshal(words)
	return string(raw), err
}
