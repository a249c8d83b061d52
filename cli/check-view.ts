/** What a check found, for people: a table, what its words mean, and a verdict. */
import type { CameraReport, CheckReport, CheckTotals } from './check-recordings.ts';
import { count } from './event-lines.ts';
import { paint } from './output.ts';

const columns = ['in all', 'lost', 'repeated', 'damaged', 'foreign'] as const;
const shownParts = 3;

/** The report as lines; the last one is the verdict. */
export function formatReport(report: CheckReport): readonly string[] {
  return [
    ...formatTable(report),
    ...explain(report.totals),
    ...report.cameras.flatMap(formatLosses),
    ...report.cameras.flatMap((camera) =>
      camera.problems.map((problem) => paint('yellow', `${nameOf(camera)}: ${problem}`)),
    ),
    ...report.problems.map((problem) => paint('yellow', problem)),
    ...formatBytes(report),
    report.isWhole ? paint('green', 'nothing is lost') : paint('red', formatFailure(report)),
  ];
}

function formatTable({ cameras, totals }: CheckReport): readonly string[] {
  const width = Math.max('total'.length, ...cameras.map((camera) => nameOf(camera).length));
  const rows = cameras.map((camera) => {
    return `${nameOf(camera).padEnd(width)}${cells(camera)}  ${paint('dim', camera.unit)}`;
  });
  const total = cameras.length > 1 ? [`${'total'.padEnd(width)}${cells(totals)}`] : [];
  return [`${''.padEnd(width)}${columns.map(cell).join('')}`, ...rows, ...total];
}

function cells({ frames, lost, repeated, damaged, foreign }: CheckTotals): string {
  return [frames, lost, repeated, damaged, foreign].map((amount) => cell(String(amount))).join('');
}

function cell(text: string): string {
  return text.padStart(10);
}

function explain({ repeated, damaged, foreign }: CheckTotals): readonly string[] {
  const lines = [
    repeated > 0 &&
      'repeated: held by more than one file, as where two servers meet; one when joined, no harm',
    damaged > 0 && 'damaged: something else was recorded in its place',
    foreign > 0 && 'foreign: recorded, but never given by the source',
  ];
  return lines.filter((line) => line !== false).map((line) => paint('dim', line));
}

function formatLosses(camera: CameraReport): readonly string[] {
  const { lostParts, unit, terms } = camera;
  const lines = lostParts.slice(0, shownParts).map(({ term, first, last, offset }) => {
    const which = first === last ? `${unit.slice(0, -1)} ${first}` : `${unit} ${first} to ${last}`;
    return `${nameOf(camera)}: lost: ${which}, from byte ${offset}${terms > 1 ? ` of term ${term}` : ''}`;
  });
  const more = lostParts.length - lines.length;
  if (more === 0) return lines;
  return [...lines, `${nameOf(camera)}: and in ${count(more, 'more place')}`];
}

/** Plain files are compared by frames or lines alone: nothing is known of single bytes. */
function formatBytes({ cameras, totals }: CheckReport): readonly string[] {
  if (!cameras.some(({ stream }) => stream !== '')) return [];
  const { bytes, bytesLost, bytesDamaged, bytesUnderWay } = totals;
  const underWay = bytesUnderWay === 0 ? '' : `, ${bytesUnderWay} still on their way`;
  return [paint('dim', `${bytes} bytes: ${bytesLost} lost, ${bytesDamaged} damaged${underWay}`)];
}

/** The worst of it. */
function formatFailure({ cameras, totals }: CheckReport): string {
  const units = new Set(cameras.map(({ unit }) => unit));
  const unit = units.size === 1 ? [...units].join('') : 'frames, lines or bytes';
  const { frames, lost, damaged, bytesLost, bytesDamaged } = totals;
  if (lost > 0) return `${lost} of ${frames} ${unit} lost`;
  if (bytesLost > 0) return `${count(bytesLost, 'byte')} lost`;
  if (damaged > 0) return `${damaged} of ${frames} ${unit} damaged`;
  if (bytesDamaged > 0) return `${count(bytesDamaged, 'byte')} damaged`;
  return 'this does not prove that nothing is lost';
}

function nameOf({ name, stream }: CameraReport): string {
  return stream === '' || stream === 'main' ? name : `${name}/${stream}`;
}
