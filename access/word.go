package access

import "github.com/stoa-portal/stoa"

// signIn is what a guest is told who lacks an action; a sentence each, since languages order the words differently.
var signIn = map[Action]string{
	View:    "sign in to view %s",
	Edit:    "sign in to edit %s",
	Publish: "sign in to publish %s",
	Manage:  "sign in to manage %s",
}

// falls is what an actor is told who may do the first action and not the second.
var falls = map[[2]Action]string{
	{View, Edit}:      "you may view %s but not edit it",
	{View, Publish}:   "you may view %s but not publish it",
	{View, Manage}:    "you may view %s but not manage it",
	{Edit, Publish}:   "you may edit %s but not publish it",
	{Edit, Manage}:    "you may edit %s but not manage it",
	{Publish, Manage}: "you may publish %s but not manage it",
}

// these are the kinds of things that rights are asked for.
var these = map[string]stoa.Phrase{
	"page":       "this page",
	"article":    "this article",
	"file":       "this file",
	"folder":     "this folder",
	KindSite:     "this site",
	KindInstance: "this instance",
}

// This names a thing of the kind in a sentence, such as "sign in to edit %s".
func This(kind string) stoa.Phrase {
	if p, ok := these[kind]; ok {
		return p
	}
	return stoa.Phrase("this " + kind)
}
