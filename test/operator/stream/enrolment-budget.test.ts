import { describe, expect, it } from 'vitest';
import { EnrolmentBudget } from '../../../operator/stream/enrolment-budget.ts';

const take = (budget: EnrolmentBudget, source: string, times: number, nowMs: number) =>
  Array.from({ length: times }, () => budget.take(source, nowMs)).filter(Boolean).length;

describe('the budget of enrolments', () => {
  it('lets a home start at once, then a few a second', () => {
    const budget = new EnrolmentBudget(0);
    expect(take(budget, 'a', 100, 0)).toBe(60);
    expect(take(budget, 'a', 100, 1000)).toBe(2);
    expect(take(budget, 'a', 1000, 3_600_000)).toBe(60);
  });

  it('bounds all together, however many addresses somebody has', () => {
    const budget = new EnrolmentBudget(0);
    const taken = Array.from({ length: 5000 }, (_, index) => budget.take(`source ${index}`, 0));
    expect(taken.filter(Boolean)).toHaveLength(240);
    expect(
      Array.from({ length: 500 }, (_, index) => budget.take(`other ${index}`, 1000)).filter(Boolean),
    ).toHaveLength(20);
  });

  it('is not refilled by a clock that goes back', () => {
    const budget = new EnrolmentBudget(10_000);
    take(budget, 'a', 60, 10_000);
    expect(take(budget, 'a', 10, 0)).toBe(0);
  });
});
