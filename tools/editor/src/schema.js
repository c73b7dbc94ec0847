// What a document may hold. The rule: whatever the server's policy keeps, the editor keeps too, even where it offers no
// button for it. Blocks it cannot edit (embeds, players) become sealed boxes that go out as they came in.
import { Extension, Mark, Node, textblockTypeInputRule } from '@tiptap/core'
import Blockquote from '@tiptap/extension-blockquote'
import Bold from '@tiptap/extension-bold'
import Code from '@tiptap/extension-code'
import CodeBlock from '@tiptap/extension-code-block'
import Document from '@tiptap/extension-document'
import HardBreak from '@tiptap/extension-hard-break'
import Heading from '@tiptap/extension-heading'
import HorizontalRule from '@tiptap/extension-horizontal-rule'
import Italic from '@tiptap/extension-italic'
import { BulletList, ListItem, ListKeymap, OrderedList } from '@tiptap/extension-list'
import Paragraph from '@tiptap/extension-paragraph'
import Strike from '@tiptap/extension-strike'
import { Table, TableCell, TableHeader, TableRow } from '@tiptap/extension-table'
import Text from '@tiptap/extension-text'
import Underline from '@tiptap/extension-underline'
import { Dropcursor, Gapcursor, Placeholder, UndoRedo } from '@tiptap/extensions'

const kept = (...names) => Object.fromEntries(names.map(name => [name, {
  default: null,
  parseHTML: el => el.getAttribute(name),
  renderHTML: attrs => (attrs[name] === null || attrs[name] === undefined ? {} : { [name]: attrs[name] }),
}]))

// Classes of the surface itself (placeholder, selection) must never become part of the text.
const ownClass = /^(is-empty|is-editor-empty|selectedCell|ProseMirror.*|rte-.*)$/
const classes = {
  default: null,
  parseHTML: el => Array.from(el.classList).filter(c => !ownClass.test(c)).join(' ') || null,
  renderHTML: attrs => (attrs.class ? { class: attrs.class } : {}),
}

// Classes and identities on every block: imported content depends on them.
const GlobalAttributes = Extension.create({
  name: 'globalAttributes',
  addGlobalAttributes() {
    return [{
      types: ['paragraph', 'heading', 'blockquote', 'bulletList', 'orderedList', 'listItem', 'codeBlock', 'horizontalRule', 'table', 'tableRow', 'tableCell', 'tableHeader', 'figure', 'figcaption', 'box', 'details', 'summary', 'descriptionList', 'descriptionTerm', 'descriptionDetails', 'image', 'imageBlock', 'link', 'phrase'],
      attributes: { class: classes, ...kept('id', 'lang', 'dir', 'title') },
    }]
  },
})

const safe = href => !/^\s*(javascript|data|vbscript):/i.test(href || '')

const Link = Mark.create({
  name: 'link',
  priority: 1000,
  inclusive: false,
  addAttributes: () => kept('href', 'target', 'rel', 'hreflang', 'download'),
  parseHTML: () => [{ tag: 'a[href]', getAttrs: el => (safe(el.getAttribute('href')) ? null : false) }],
  renderHTML: ({ HTMLAttributes }) => ['a', HTMLAttributes, 0],
})

// Small words around text that have no button of their own.
const phrases = ['sub', 'sup', 'small', 'mark', 'kbd', 'samp', 'var', 'abbr', 'cite', 'q', 'ins', 'del', 'dfn', 'time', 'bdi', 'bdo']
const Phrase = Mark.create({
  name: 'phrase',
  excludes: '',
  addAttributes: () => ({ tag: { default: 'span', rendered: false, parseHTML: el => el.localName }, ...kept('datetime', 'cite') }),
  parseHTML: () => [...phrases.map(tag => ({ tag })), { tag: 'span[class], span[lang], span[dir], span[id]' }],
  renderHTML: ({ mark, HTMLAttributes }) => [mark.attrs.tag, HTMLAttributes, 0],
})

const imageAttributes = () => ({
  ...kept('src', 'srcset', 'sizes', 'width', 'height', 'loading', 'decoding'),
  alt: { default: '', parseHTML: el => el.getAttribute('alt') || '', renderHTML: attrs => ({ alt: attrs.alt || '' }) },
})

const Image = Node.create({
  name: 'image',
  group: 'inline',
  inline: true,
  draggable: true,
  addAttributes: imageAttributes,
  parseHTML: () => [{ tag: 'img[src]' }],
  renderHTML: ({ HTMLAttributes }) => ['img', HTMLAttributes],
})

// The image that is the subject of a figure. Its link is an attribute, because it wraps nothing else.
const ImageBlock = Node.create({
  name: 'imageBlock',
  draggable: false,
  addAttributes() {
    const of = (el, name) => (el.parentElement && el.parentElement.localName === 'a' ? el.parentElement.getAttribute(name) : null)
    return {
      ...imageAttributes(),
      linkHref: { default: null, rendered: false, parseHTML: el => (safe(of(el, 'href')) ? of(el, 'href') : null) },
      linkTarget: { default: null, rendered: false, parseHTML: el => of(el, 'target') },
      linkRel: { default: null, rendered: false, parseHTML: el => of(el, 'rel') },
    }
  },
  parseHTML: () => [{ tag: 'figure > img[src]', priority: 70 }, { tag: 'figure > a > img[src]', priority: 70 }],
  renderHTML({ node, HTMLAttributes }) {
    const img = ['img', HTMLAttributes]
    if (!node.attrs.linkHref) return img
    const link = { href: node.attrs.linkHref }
    if (node.attrs.linkTarget) link.target = node.attrs.linkTarget
    if (node.attrs.linkRel) link.rel = node.attrs.linkRel
    return ['a', link, img]
  },
})

const Figure = Node.create({
  name: 'figure',
  group: 'block',
  content: '(imageBlock | block)+ figcaption?',
  isolating: true,
  draggable: true,
  parseHTML: () => [{ tag: 'figure' }],
  renderHTML: ({ HTMLAttributes }) => ['figure', HTMLAttributes, 0],
})

const Figcaption = Node.create({
  name: 'figcaption',
  content: 'inline*',
  parseHTML: () => [{ tag: 'figcaption' }],
  renderHTML: ({ HTMLAttributes }) => ['figcaption', HTMLAttributes, 0],
  addKeyboardShortcuts() {
    return {
      Enter: () => {
        const { $from } = this.editor.state.selection
        if ($from.parent.type.name !== this.name) return false
        const after = $from.after($from.depth - 1)
        return this.editor.chain().insertContentAt(after, { type: 'paragraph' }).setTextSelection(after + 1).run()
      },
    }
  },
})

// Generic containers, mostly from imported content: columns, groups, covers, media beside text.
const Box = Node.create({
  name: 'box',
  group: 'block',
  content: 'block+',
  defining: true,
  addAttributes: () => ({ tag: { default: 'div', rendered: false, parseHTML: el => el.localName } }),
  parseHTML: () => [{ tag: 'div' }, { tag: 'section' }, { tag: 'article' }, { tag: 'aside' }, { tag: 'address' }],
  renderHTML: ({ node, HTMLAttributes }) => [node.attrs.tag, HTMLAttributes, 0],
})

const Details = Node.create({
  name: 'details',
  group: 'block',
  content: 'summary block*',
  defining: true,
  parseHTML: () => [{ tag: 'details' }],
  renderHTML: ({ HTMLAttributes }) => ['details', HTMLAttributes, 0],
  // A closed <details> could not be edited.
  addNodeView: () => () => {
    const dom = document.createElement('div')
    dom.className = 'rte-details'
    return { dom, contentDOM: dom }
  },
})
const Summary = Node.create({
  name: 'summary',
  content: 'inline*',
  parseHTML: () => [{ tag: 'summary' }],
  renderHTML: ({ HTMLAttributes }) => ['summary', HTMLAttributes, 0],
  addNodeView: () => () => {
    const dom = document.createElement('p')
    dom.className = 'rte-summary'
    return { dom, contentDOM: dom }
  },
})

const DescriptionList = Node.create({
  name: 'descriptionList',
  group: 'block',
  content: '(descriptionTerm | descriptionDetails)+',
  parseHTML: () => [{ tag: 'dl' }],
  renderHTML: ({ HTMLAttributes }) => ['dl', HTMLAttributes, 0],
})
const DescriptionTerm = Node.create({
  name: 'descriptionTerm',
  content: 'inline*',
  parseHTML: () => [{ tag: 'dt' }],
  renderHTML: ({ HTMLAttributes }) => ['dt', HTMLAttributes, 0],
})
const DescriptionDetails = Node.create({
  name: 'descriptionDetails',
  content: 'block+',
  parseHTML: () => [{ tag: 'dd' }],
  renderHTML: ({ HTMLAttributes }) => ['dd', HTMLAttributes, 0],
})

// Sealed markup: kept as it is, shown as a labelled box.
function sealed(name, inline, tags) {
  return Node.create({
    name,
    group: inline ? 'inline' : 'block',
    inline,
    atom: true,
    draggable: true,
    addAttributes: () => ({ html: { default: '', rendered: false, parseHTML: el => el.outerHTML } }),
    parseHTML: () => tags.map(tag => ({ tag, priority: 80 })),
    renderHTML({ node }) {
      const template = document.createElement('template')
      template.innerHTML = node.attrs.html
      return template.content.firstElementChild || ['span']
    },
    addNodeView: () => ({ node }) => {
      const template = document.createElement('template')
      template.innerHTML = node.attrs.html
      const el = template.content.firstElementChild
      const dom = document.createElement(inline ? 'span' : 'div')
      dom.className = inline ? 'rte-sealed rte-sealed--inline' : 'rte-sealed'
      const source = el && (el.getAttribute('src') || (el.querySelector('[src]') || el).getAttribute('src'))
      dom.textContent = inline ? (el ? el.textContent || el.localName : '') : [el ? el.localName : '', el && el.getAttribute('title'), source].filter(Boolean).join(' · ')
      return { dom }
    },
  })
}

const Rows = TableRow.extend({
  addAttributes: () => ({
    section: {
      default: null,
      parseHTML: el => (el.parentElement && el.parentElement.localName === 'tfoot' ? 'foot' : null),
      renderHTML: attrs => (attrs.section ? { 'data-section': attrs.section } : {}),
    },
  }),
})
const cellAttributes = () => ({
  colspan: { default: 1, parseHTML: el => Number(el.getAttribute('colspan')) || 1, renderHTML: a => (a.colspan > 1 ? { colspan: a.colspan } : {}) },
  rowspan: { default: 1, parseHTML: el => Number(el.getAttribute('rowspan')) || 1, renderHTML: a => (a.rowspan > 1 ? { rowspan: a.rowspan } : {}) },
  colwidth: { default: null, rendered: false, parseHTML: () => null },
  ...kept('scope'),
})
// Without the style attributes and column widths of the original, which the content security policy refuses.
const Tables = Table.extend({
  addAttributes: () => ({
    caption: {
      default: null,
      parseHTML: el => { const c = el.querySelector(':scope > caption'); return c ? c.textContent : null },
      renderHTML: attrs => (attrs.caption ? { 'data-caption': attrs.caption } : {}),
    },
  }),
  parseHTML: () => [{ tag: 'table' }, { tag: 'caption', ignore: true }, { tag: 'colgroup', ignore: true }],
  renderHTML: ({ HTMLAttributes }) => ['table', HTMLAttributes, ['tbody', 0]],
}).configure({ resizable: false, View: null })

const Pre = CodeBlock.extend({
  addAttributes() {
    return {
      ...this.parent(),
      // <pre> without <code> stays that way.
      bare: { default: false, rendered: false, parseHTML: el => !el.querySelector(':scope > code') },
    }
  },
  renderHTML({ node, HTMLAttributes }) {
    if (node.attrs.bare) return ['pre', HTMLAttributes, 0]
    return ['pre', HTMLAttributes, ['code', node.attrs.language ? { class: 'language-' + node.attrs.language } : {}, 0]]
  },
})

const Headings = Heading.extend({
  // "# " makes nothing: the title of the page is its only first-level heading.
  addInputRules() {
    return [2, 3, 4].map(level => textblockTypeInputRule({ find: new RegExp(`^(#{${level}})\\s$`), type: this.type, getAttributes: { level } }))
  },
})

export function extensions(words, placeholder) {
  return [
    Document, Paragraph, Text, GlobalAttributes,
    Headings, Blockquote.extend({ addAttributes: () => kept('cite') }),
    BulletList, OrderedList.extend({ addAttributes() { return { ...this.parent(), ...kept('reversed') } } }),
    ListItem.extend({ content: 'block+', addAttributes: () => kept('value') }), ListKeymap,
    Pre, HorizontalRule, HardBreak,
    Bold, Italic, Strike.extend({ parseHTML: () => [{ tag: 's' }, { tag: 'strike' }] }), Underline, Code.extend({ excludes: '' }), Link, Phrase,
    Image, ImageBlock, Figure, Figcaption, Box, Details, Summary, DescriptionList, DescriptionTerm, DescriptionDetails,
    Tables, Rows, TableCell.extend({ addAttributes: cellAttributes }), TableHeader.extend({ addAttributes: cellAttributes }),
    sealed('sealedBlock', false, ['iframe', 'video', 'audio']), sealed('sealedInline', true, ['picture', 'ruby', 'wbr', 'svg']),
    Dropcursor.configure({ class: 'rte-dropcursor', color: false, width: 2 }), Gapcursor, UndoRedo,
    Placeholder.configure({
      includeChildren: true,
      showOnlyCurrent: false,
      placeholder: ({ node, editor }) => (node.type.name === 'figcaption' ? words.caption : editor.isEmpty ? placeholder : ''),
    }),
  ]
}

