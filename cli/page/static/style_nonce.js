// Gives each style element that Bokeh makes the nonce of this page, for the Content-Security-Policy allows no other.
(() => {
  const nonce = document.querySelector('meta[name="style-nonce"]').content;
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const made = create(name, options);
    if (String(name).toLowerCase() === "style") made.nonce = nonce;
    return made;
  };
})();
