// Small helpers to build the surface.
const sprite = new URL('../icons.svg', document.currentScript ? document.currentScript.src : location.href).pathname

export function make(tag, attrs = {}, ...children) {
  const el = document.createElement(tag)
  for (const [name, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) continue
    if (name === 'text') el.textContent = value
    else if (name.startsWith('on')) el.addEventListener(name.slice(2), value)
    else el.setAttribute(name, value === true ? '' : value)
  }
  el.append(...children.filter(Boolean))
  return el
}

export function icon(name) {
  const ns = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(ns, 'svg'), use = document.createElementNS(ns, 'use')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  use.setAttribute('href', `${sprite}#${name}`)
  svg.append(use)
  return svg
}

export const english = {
  toolbar: 'Formatting', style: 'Style', paragraph: 'Paragraph', heading2: 'Heading', heading3: 'Subheading', heading4: 'Small heading',
  bold: 'Bold', italic: 'Italic', strike: 'Struck through', code: 'Code', link: 'Link', bulletList: 'Bullet list', orderedList: 'Numbered list',
  blockquote: 'Quotation', codeBlock: 'Code block', table: 'Table', image: 'Image', rule: 'Dividing line', clear: 'Remove formatting', undo: 'Undo', redo: 'Redo', source: 'HTML source',
  address: 'Address', linkSearch: 'Search, or type an address', linkNone: 'Nothing found', linkFound: 'Pages, articles and files', newTab: 'Open in a new tab', apply: 'Apply', remove: 'Remove', cancel: 'Cancel', close: 'Close', insert: 'Insert',
  alt: 'Alternative text', altHelp: 'Says what the image shows to those who cannot see it. Empty if it only decorates.', caption: 'Caption', addCaption: 'Caption', position: 'Position',
  alignnone: 'In the text', alignleft: 'Left', aligncenter: 'Centre', alignright: 'Right', alignwide: 'Wide', alignfull: 'Full width',
  upload: 'Upload from this computer', choose: 'Or choose from the files of this site', search: 'Search', nothing: 'No images found.', more: 'More', uploading: 'Uploading',
  failed: 'This did not work. Try again in a moment.', language: 'Language of the code',
  rowAfter: 'Add row', columnAfter: 'Add column', deleteRow: 'Delete row', deleteColumn: 'Delete column', headerRow: 'Header row', headerColumn: 'Header column', merge: 'Merge or split cells', deleteTable: 'Delete table',
  placeholder: 'Write here', help: 'Alt+F10 moves to the toolbar.',
}
