export const networkRoutes = {};

export const networkEvents = {};

export const networkQuotas = {} as const;

export const networkMeters = {} as const;
