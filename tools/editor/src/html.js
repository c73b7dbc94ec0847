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
  body.querySelectorAll('style, script, meta, link, title, template, noscript, form, button, input, select, textarea, object, embed, col, colgroup').forEach(el => el.remove())
  const comments = page.createTreeWalker(body, NodeFilter.SHOW_COMMENT), gone = []
  while (comments.nextNode()) gone.push(comments.currentNode)
  gone.forEach(node => node.remove())
  wordLists(body)
  nestLists(body)
  body.querySelectorAll('*').forEach(el => {
    const styled = marks(el)
    if (styled.length && el.closest('h1, h2, h3, h4, h5, h6')) styled.splice(0, styled.length, ...styled.filter(tag => tag === 'em' || tag === 'sub' || tag === 'sup'))
    if (styled.length) {
      const outer = styled.map(tag => page.createElement(tag))
      outer.reduce((a, b) => { a.append(b); return b })
      outer[outer.length - 1].append(...el.childNodes)
      el.replaceWith(outer[0])
      return
    }
    const { weight } = look(el)
    const unwrap = el.localName.includes(':') || el.localName === 'font' || el.localName === 'center' || (el.localName === 'b' && (weight === 'normal' || weight === '400')) ||
      (/^(b|strong)$/.test(el.localName) && el.closest('h1, h2, h3, h4, h5, h6'))
    if (unwrap) { el.replaceWith(...el.childNodes); return }
    const classes = Array.from(el.classList).filter(c => keepClass.test(c)).join(' ')
    if (el.localName === 'p' && /^Mso(Title|Subtitle)$/.test(el.className)) {
      const heading = page.createElement(el.className === 'MsoTitle' ? 'h1' : 'h2')
      heading.append(...el.childNodes)
      el.replaceWith(heading)
      return
    }
    if (classes) el.setAttribute('class', classes); else el.removeAttribute('class')
    foreign.forEach(name => { if (!((name === 'width' || name === 'height') && el.localName === 'img')) el.removeAttribute(name) })
  })
  // Containers of a foreign page mean nothing here.
  body.querySelectorAll('div, section, article, aside').forEach(el => { if (!el.classList.length) el.replaceWith(...el.childNodes) })
  body.querySelectorAll('span').forEach(el => { if (bare(el)) el.replaceWith(...el.childNodes) })
  body.querySelectorAll('img').forEach(el => { if (!/^(https?:|\/)/.test(el.getAttribute('src') || '')) el.remove() })
  // Empty lines are how word processors make distances.
  body.querySelectorAll('p, h1, h2, h3, h4, h5, h6').forEach(el => { if (!el.textContent.trim() && !el.querySelector('img') && !el.closest('td, th')) el.remove() })
  body.querySelectorAll('br.Apple-interchange-newline, body > br').forEach(el => el.remove())
  lowerHeadings(body)
  return body.innerHTML
}

const foreign = ['style', 'id', 'align', 'valign', 'bgcolor', 'color', 'face', 'dir', 'lang', 'width', 'height', 'border', 'cellpadding', 'cellspacing', 'rules', 'frame', 'nowrap', 'role',
  'type', 'aria-level', 'text']

// look reads the style attribute, not el.style: the content security policy leaves el.style empty.
function look(el) {
  const style = el.getAttribute('style') || '', of = name => (style.match(new RegExp(`(?:^|;)\\s*${name}\\s*:\\s*([^;]+)`, 'i')) || ['', ''])[1].trim().toLowerCase()
  return { weight: of('font-weight'), slant: of('font-style'), line: of('text-decoration') || of('text-decoration-line'), rise: of('vertical-align') }
}

// marks names the elements that say what the style of a span says.
function marks(el) {
  if (el.localName !== 'span') return []
  const { weight, slant, line, rise } = look(el), out = []
  if (/^bold/.test(weight) || Number(weight) >= 600) out.push('strong')
  if (slant === 'italic') out.push('em')
  if (/line-through/.test(line)) out.push('s')
  if (/underline/.test(line) && !el.closest('a') && !el.querySelector('a')) out.push('u')
  if (/^(sub|super)/.test(rise)) out.push(rise.slice(0, 3) === 'sub' ? 'sub' : 'sup')
  return out
}

// wordLists makes lists of Word's paragraphs that look like items: mso-list tells the list and the level, the text that
// stands in front, which is no part of the item, whether it is numbered.
function wordLists(body) {
  const page = body.ownerDocument
  let open = [] // the lists that are open, the outermost first
  Array.from(body.querySelectorAll('p, h1, h2, h3, h4, h5, h6')).forEach(p => {
    const list = (p.getAttribute('style') || '').match(/mso-list\s*:\s*(\S+)\s+level(\d+)/i)
    if (!list || /^h/.test(p.localName)) {
      p.querySelectorAll('[style]').forEach(el => { if (/mso-list\s*:\s*ignore/i.test(el.getAttribute('style'))) el.remove() })
      open = []
      return
    }
    let sign = ''
    p.querySelectorAll('[style]').forEach(el => {
      if (!/mso-list\s*:\s*ignore/i.test(el.getAttribute('style'))) return
      sign = sign || el.textContent.replace(/\u00a0/g, ' ').trim()
      el.remove()
    })
    const numbered = /^\(?([0-9]+([.][0-9]+)*|[a-z]{1,2}|[ivxlcdm]+)[.)]/i.test(sign), level = Math.max(1, Math.min(9, Number(list[2])))
    const last = open[open.length - 1]
    if (last && (last.next !== p.previousElementSibling || open[0].id !== list[1] && level === 1)) open = []
    while (open.length && open[open.length - 1].level > level) open.pop()
    let top = open[open.length - 1]
    if (top && top.level === level && (top.el.localName === 'ol') !== numbered) { open.pop(); top = open[open.length - 1] }
    if (!top || top.level < level) {
      const el = page.createElement(numbered ? 'ol' : 'ul'), first = parseInt(sign.replace(/^\(/, ''), 10)
      if (numbered && first > 1) el.setAttribute('start', String(first))
      const item = top && top.el.lastElementChild
      if (item) item.append(el); else p.before(el)
      top = { el, level, id: list[1] }
      open.push(top)
    }
    const item = page.createElement('li')
    item.append(...p.childNodes)
    top.el.append(item)
    const outer = open[0].el
    p.remove()
    open.forEach(o => { o.next = outer })
  })
}

// nestLists puts a list that stands between the items of another, as Google Docs and LibreOffice write it, into the
// item before it.
function nestLists(body) {
  body.querySelectorAll('ul > ul, ul > ol, ol > ul, ol > ol').forEach(el => {
    let item = el.previousElementSibling
    if (!item || item.localName !== 'li') {
      item = body.ownerDocument.createElement('li')
      el.before(item)
    }
    item.append(el)
  })
}

// lowerHeadings makes room for the title of the page, which is its only first-level heading.
function lowerHeadings(body) {
  if (!body.querySelector('h1')) return
  body.querySelectorAll('h1, h2, h3, h4, h5').forEach(el => {
    const lower = body.ownerDocument.createElement('h' + (Number(el.localName[1]) + 1))
    Array.from(el.attributes).forEach(a => lower.setAttribute(a.name, a.value))
    lower.append(...el.childNodes)
    el.replaceWith(lower)
  })
}
