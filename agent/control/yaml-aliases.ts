/** YAML's aliases (`*name`), kept from growing without bound and from going round in circles. */
import { visit, type Alias, type Document, type Node } from 'yaml';

/** Aliases in one document, and the parser's own limit of what they may stand for. */
export const maxAliases = 100;

export interface WrongAlias {
  readonly alias: Alias;
  readonly message: string;
}

/** What is wrong with a document's aliases; none where `toJS` of that document ends well. */
export function findWrongAliases(document: Document, aliases: readonly Alias[]): readonly WrongAlias[] {
  const [first] = aliases;
  if (first === undefined) return [];
  if (aliases.length > maxAliases) {
    return [{ alias: first, message: `more than ${maxAliases} aliases (*name) in one document` }];
  }
  const wrong = aliases.flatMap((alias) => {
    const message = judgeTarget(document, alias);
    return message === undefined ? [] : [{ alias, message }];
  });
  if (wrong.length > 0 || staysSmall(document)) return wrong;
  return [{ alias: first, message: 'aliases (*name) of aliases make too much of it' }];
}

function judgeTarget(document: Document, alias: Alias): string | undefined {
  const target = alias.resolve(document);
  if (target === undefined) {
    return 'an alias (*name) must come after its anchor (&name); quote a text that begins with *';
  }
  return contains(target, alias) ? 'an alias (*name) must not stand inside of its own anchor' : undefined;
}

function contains(node: Node, inner: Node): boolean {
  let found = false;
  visit(node, {
    Node: (_key, each) => {
      if (each !== inner) return undefined;
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

function staysSmall(document: Document): boolean {
  try {
    document.toJS({ maxAliasCount: maxAliases });
    return true;
  } catch {
    return false;
  }
}
