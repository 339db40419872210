/* Elements of the page. Text is always a text node: no string from the document becomes markup. */

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * Set attributes; a function named on… becomes a listener, `false` and `null` remove an attribute.
 *
 * Style is set as a property: a page's policy may forbid the attribute.
 */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") element.style.cssText = value;
    else if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** Return an HTML element. */
export function html(tag, attributes = {}, ...children) {
  const element = setAttributes(document.createElement(tag), attributes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return the element inside another one that has the focus, in a shadow tree, too; null if none has. */
export function focusedIn(element) {
  const active = element.getRootNode().activeElement;
  return active && element.contains(active) ? active : null;
}

/** Return an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const element = setAttributes(document.createElementNS(SVG_NAMESPACE, tag), attributes);
  element.append(...children);
  return element;
}

/** A drawing whose elements keep their identity, by key, from one drawing to the next: focus and transitions last. */
export class Sheet {
  constructor() {
    this.elements = new Map();
    this.used = new Set();
  }

  /** Return the element of this key inside a parent, made if need be, with these attributes and this text. */
  put(parent, key, tag, attributes = {}, text = null) {
    let element = this.elements.get(key);
    if (!element || element.localName !== tag) {
      element?.remove();
      element = svg(tag);
      this.elements.set(key, element);
    }
    this.used.add(key);
    setAttributes(element, attributes);
    if (element.parentNode !== parent) parent.append(element);
    if (text !== null && element.textContent !== text) element.textContent = text;
    return element;
  }

  /** Remove what the last drawing did not use. */
  finish() {
    for (const [key, element] of this.elements) {
      if (this.used.has(key)) continue;
      element.remove();
      this.elements.delete(key);
    }
    this.used.clear();
  }
}
