/** Editing distance is quadratic; no name of ours is near to a longer text. */
const maxCharacters = 64;

/**
 * The known name that was probably meant by a wrong one, or undefined where none is near.
 *
 * @example findNearest('feature', ['features', 'max']) // 'features'
 */
export function findNearest(wrong: string, known: readonly string[]): string | undefined {
  if (wrong.length > maxCharacters) return undefined;
  const lower = wrong.toLowerCase();
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(lower, name.toLowerCase());
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}

/** Levenshtein's: characters put in, left out or replaced. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
