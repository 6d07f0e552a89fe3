// Returns what is wrong with the page as it is drawn, as a list of texts, in `wrong`.
(() => {
  const wrong = [], root = document.documentElement, width = root.clientWidth;
  if (root.scrollWidth > width) wrong.push(`the page is ${root.scrollWidth} px wide, the window ${width}`);

  // Text nodes that are drawn, and the boxes of their lines.
  const texts = [];
  for (const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walk.nextNode();) {
    const node = walk.currentNode;
    if (!node.data.trim() || node.parentElement.closest('title')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter(b => b.width > 0 && b.height > 0);
    if (!boxes.length) wrong.push(`"${node.data}" is not drawn`);
    texts.push({ node, boxes, name: node.data.trim().slice(0, 40) });
  }
  for (const { node, boxes, name } of texts) {
    for (const b of boxes) {
      if (b.left < 0 || b.right > width + 0.5) wrong.push(`"${name}" leaves the window`);
      for (let e = node.parentElement; e; e = e.parentElement) {
        const c = e.getBoundingClientRect();
        const inline = getComputedStyle(e).display === 'inline';
        if (!inline && (b.left < c.left - 1 || b.right > c.right + 1)) wrong.push(`"${name}" leaves its <${e.localName}>`);
      }
    }
  }
  for (let i = 0; i < texts.length; i++)
    for (let k = i + 1; k < texts.length; k++)
      for (const a of texts[i].boxes)
        for (const b of texts[k].boxes)
          if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
            wrong.push(`"${texts[i].name}" lies over "${texts[k].name}"`);

  // Contrast by WCAG 2.2, 1.4.3 and 1.4.11.
  const colour = text => text.match(/[\d.]+/g).map(Number);
  const light = c => {
    const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
      if (c[3] !== 0) wrong.push(`<${e.localName}> has a background that one sees through`);
    }
    return [255, 255, 255];
  };
  const solid = e => {
    for (; e; e = e.parentElement) if (getComputedStyle(e).opacity !== '1') wrong.push(`<${e.localName}> has an opacity`);
  };
  let least = 21;
  for (const { node, name } of texts) {
    const e = node.parentElement, r = ratio(colour(getComputedStyle(e).color), behind(e));
    solid(e);
    least = Math.min(least, r);
    if (r < 4.5) wrong.push(`"${name}" has a contrast of ${r.toFixed(2)}`);
  }

  // The bars.
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    if (frame.width < 40 || frame.height < 5) wrong.push(`a timeline has ${frame.width} x ${frame.height} px`);
    for (const mark of svg.querySelectorAll('rect, line')) {
      const b = mark.getBoundingClientRect();
      if (b.left < frame.left - 1.5 || b.right > frame.right + 1.5 || b.top < frame.top - 1.5 || b.bottom > frame.bottom + 1.5)
        wrong.push(`a ${mark.localName} leaves its timeline`);
      const style = getComputedStyle(mark), r = ratio(colour(mark.localName === 'rect' ? style.fill : style.stroke), behind(svg));
      if (mark.localName === 'rect' && b.width < 0.4) wrong.push(`a bar has ${b.width} px`);
      if (r < 3) wrong.push(`a ${mark.localName} has a contrast of ${r.toFixed(2)}`);
    }
  }
  if (document.querySelectorAll('script, img, iframe, object, form, [style], [onerror]').length) wrong.push('output has become an element');
  return { wrong, least, text: document.body.innerText, background: getComputedStyle(document.body).backgroundColor,
    counts: { bars: document.querySelectorAll('svg').length, texts: texts.length } };
})()
