// The walk; the page's modules replace this outline.

export function walk(root, { document: walked }) {
  root.classList.add("walk");
  const heading = root.ownerDocument.createElement("h1");
  heading.textContent = walked.title;
  root.append(heading);
}
