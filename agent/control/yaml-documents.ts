/** YAML (and JSON, which is YAML) into plain values that know their lines. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Alias,
  type Document,
  type YAMLMap,
} from 'yaml';
import type { ConfigProblem } from '../../crds/config-error.ts';
import { findWrongAliases, maxAliases } from './yaml-aliases.ts';

/** Where a field stands in a document: names of fields and numbers of items. */
export type FieldPath = readonly PropertyKey[];

export interface YamlDocument {
  readonly value: unknown;
  /** The line where the document begins, from 1. */
  readonly line: number;
  /** The line of a field or item; of the nearest field around it where it is missing. */
  lineOf(path: FieldPath): number;
}

export interface YamlText {
  readonly documents: readonly YamlDocument[];
  /** Without `file`. Never quotes the text: it may be a secret. */
  readonly problems: readonly ConfigProblem[];
}

/** Of one file; well above what a home needs. */
const maxDocuments = 1000;

const defaultAdvice = 'is no YAML';
const adviceByCode: Readonly<Record<string, string>> = {
  BAD_DIRECTIVE: 'unknown directive: a line that begins with % must be %YAML 1.2, or a quoted text',
  BAD_DQ_ESCAPE:
    'unknown escape in a text in double quotes: write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'wrong indentation, or a bracket above that is not closed',
  BAD_SCALAR_START: 'a text that begins with @ or ` must be in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'wrong indentation, or a text with ": " in it that must be in quotes',
  DUPLICATE_KEY: 'field is there twice: must be there once',
  MISSING_CHAR: 'something is missing: a closing quote or bracket, or the colon after a field name',
  MULTILINE_IMPLICIT_KEY: 'wrong indentation: a field name must be on one line',
  NON_STRING_KEY: 'a field name must be a text',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'indented with a tab: must be spaces',
  TAG_RESOLVE_FAILED: 'tags (!name) are not taken: write plain values',
};

/**
 * Parses a file's text: every problem of it at once, and the documents that have none.
 *
 * @param text at most about 1 MiB: a parser's time grows with it
 */
export function parseYamlDocuments(text: string): YamlText {
  const lines = new LineCounter();
  // The parser's own check of repeated keys takes 48 s for 60,000 of them; ours is one set per map.
  const options = { uniqueKeys: false, stringKeys: true, merge: false, resolveKnownTags: false } as const;
  const parsed = parseAllDocuments(text, {
    ...options,
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
  });
  if (!Array.isArray(parsed) || parsed.length === 0) return { documents: [], problems: [] };
  if (parsed.length > maxDocuments) {
    return { documents: [], problems: [{ message: `holds more than ${maxDocuments} documents` }] };
  }
  const documents: YamlDocument[] = [];
  const problems: ConfigProblem[] = [];
  for (const document of parsed) {
    const wrong = findProblems(document, lines);
    problems.push(...wrong);
    if (wrong.length === 0 && !isEmpty(document)) documents.push(readDocument(document, lines));
  }
  return { documents, problems };
}

function isEmpty(document: Document.Parsed): boolean {
  return isScalar(document.contents) && document.contents.value === null;
}

function readDocument(document: Document.Parsed, lines: LineCounter): YamlDocument {
  const lineOf = (path: FieldPath): number => lines.linePos(findOffset(document, path)).line;
  return {
    value: document.toJS({ maxAliasCount: maxAliases }),
    line: lineOf([]),
    lineOf,
  };
}

function findProblems(document: Document.Parsed, lines: LineCounter): readonly ConfigProblem[] {
  const problemAt = (offset: number, message: string): ConfigProblem => ({
    line: lines.linePos(offset).line,
    message,
  });
  const [first] = [...document.errors, ...document.warnings];
  // What follows a syntax error is mostly its echo.
  if (first !== undefined) return [problemAt(first.pos[0], adviceByCode[first.code] ?? defaultAdvice)];
  const problems: ConfigProblem[] = [];
  const aliases: Alias[] = [];
  visit(document, {
    Alias: (_key, alias) => void aliases.push(alias),
    Map: (_key, map) => {
      for (const offset of findRepeatedKeys(map)) {
        problems.push(problemAt(offset, adviceByCode['DUPLICATE_KEY'] ?? defaultAdvice));
      }
    },
  });
  for (const { alias, message } of findWrongAliases(document, aliases)) {
    problems.push(problemAt(offsetOf(alias) ?? 0, message));
  }
  return problems;
}

function findRepeatedKeys(map: YAMLMap): readonly number[] {
  const seen = new Set<unknown>();
  const repeated: number[] = [];
  for (const { key } of map.items) {
    const name = isScalar(key) ? key.value : key;
    if (seen.has(name)) repeated.push(offsetOf(key) ?? 0);
    seen.add(name);
  }
  return repeated;
}

/** The offset of the deepest part of `path` that is there. A field's is that of its name. */
function findOffset(document: Document.Parsed, path: FieldPath): number {
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const part of path) {
    const step = stepInto(isAlias(node) ? node.resolve(document) : node, part);
    if (step === undefined) break;
    offset = offsetOf(step.at) ?? offset;
    node = step.into;
  }
  return offset;
}

function stepInto(
  node: unknown,
  part: PropertyKey,
): { readonly at: unknown; readonly into: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(part)];
    return item === undefined ? undefined : { at: item, into: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
  return pair === undefined ? undefined : { at: pair.key, into: pair.value };
}

function offsetOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined;
  const range: unknown = node.range;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : undefined;
}
