// What the page keeps in the browser: values by key, under a prefix. A browser
// that keeps nothing (full, or forbidden) is worked with all the same.

export function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch (error) {
    return null;
  }
}

// Whether it is kept.
export function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch (error) {
    return false;
  }
}

export function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch (error) {
    // Nothing was kept.
  }
}

export function keysWith(prefix) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  } catch (error) {
    return [];
  }
}
