// From the document to HTML that a person can read, and from pasted HTML to something worth keeping.
import { DOMSerializer } from '@tiptap/pm/model'

const inert = () => document.implementation.createHTMLDocument('')
const bare = el => el.attributes.length === 0

// serialize returns the document as HTML, one top-level block per line; the empty string if nothing is in it.
export function serialize(doc) {
  const page = inert()
  const root = page.createElement('div')
  root.append(DOMSerializer.fromSchema(doc.type.schema).serializeFragment(doc.content, { document: page }))
  tidy(root)
  return Array.from(root.children, el => el.outerHTML).join('\n')
}

export function tidy(root) {
  root.querySelectorAll('li, td, th, dd').forEach(cell => {
    const [first, ...rest] = cell.children
    if (!first || first.localName !== 'p' || !bare(first)) return
    if (rest.every(el => el.localName === 'ul' || el.localName === 'ol')) first.replaceWith(...first.childNodes)
  })
  root.querySelectorAll('table').forEach(table => {
    const page = table.ownerDocument, body = table.querySelector(':scope > tbody')
    if (!body) return
    const rows = Array.from(body.children), head = []
    while (head.length < rows.length - 1 && Array.from(rows[head.length].children).every(c => c.localName === 'th')) head.push(rows[head.length])
    const foot = rows.slice(head.length).filter(row => row.dataset.section === 'foot')
    rows.forEach(row => row.removeAttribute('data-section'))
    if (head.length) { const thead = page.createElement('thead'); thead.append(...head); body.before(thead) }
    if (foot.length) { const tfoot = page.createElement('tfoot'); tfoot.append(...foot); body.after(tfoot) }
    if (!body.children.length) body.remove()
    if (table.dataset.caption) {
      const caption = page.createElement('caption')
      caption.textContent = table.dataset.caption
      table.prepend(caption)
      table.removeAttribute('data-caption')
    }
  })
  root.querySelectorAll('figcaption').forEach(el => { if (!el.childNodes.length) el.remove() })
  root.querySelectorAll('[class=""]').forEach(el => el.removeAttribute('class'))
  const empty = el => el && el.localName === 'p' && !el.childNodes.length
  while (empty(root.lastElementChild)) root.lastElementChild.remove()
}

const keepClass = /^(language-|wp-|align|has-|is-style-|columns-|gallery)/

// cleanPaste takes away what word processors and web pages put on the clipboard besides words and structure.
export function cleanPaste(html) {
  if (html.includes('data-pm-slice')) return html // from an editor like this one
  const page = new DOMParser().parseFromString(html, 'text/html'), body = page.body
  body.querySelectorAll('style, script, meta, link, title, template, noscript, form, button, input, select, textarea, object, embed').forEach(el => el.remove())
  const comments = page.createTreeWalker(body, NodeFilter.SHOW_COMMENT), gone = []
  while (comments.nextNode()) gone.push(comments.currentNode)
  gone.forEach(node => node.remove())
  body.querySelectorAll('*').forEach(el => {
    // The attribute, not el.style: the content security policy leaves el.style empty.
    const style = el.getAttribute('style') || '', of = name => (style.match(new RegExp(`(?:^|;)\\s*${name}\\s*:\\s*([\\w-]+)`, 'i')) || [])[1]
    const weight = of('font-weight'), slant = of('font-style')
    const unwrap = el.localName.includes(':') || el.localName === 'font' || el.localName === 'center' || (el.localName === 'b' && (weight === 'normal' || weight === '400'))
    if (el.localName === 'span' && (weight === 'bold' || Number(weight) >= 600 || slant === 'italic')) {
      const strong = page.createElement(slant === 'italic' ? 'em' : 'strong')
      strong.append(...el.childNodes)
      el.replaceWith(strong)
      return
    }
    if (unwrap) { el.replaceWith(...el.childNodes); return }
    const classes = Array.from(el.classList).filter(c => keepClass.test(c)).join(' ')
    if (classes) el.setAttribute('class', classes); else el.removeAttribute('class')
    ;['style', 'id', 'align', 'valign', 'bgcolor', 'color', 'face', 'dir', 'lang', 'width', 'height'].forEach(name => {
      if (!((name === 'width' || name === 'height') && el.localName === 'img')) el.removeAttribute(name)
    })
  })
  // Containers of a foreign page mean nothing here.
  body.querySelectorAll('div, section, article, aside').forEach(el => { if (!el.classList.length) el.replaceWith(...el.childNodes) })
  body.querySelectorAll('span').forEach(el => { if (bare(el)) el.replaceWith(...el.childNodes) })
  body.querySelectorAll('img').forEach(el => { if (!/^(https?:|\/)/.test(el.getAttribute('src') || '')) el.remove() })
  return body.innerHTML
}
