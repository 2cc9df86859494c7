export const imageRoutes = {};

export const imageEvents = {};

export const imageQuotas = {} as const;

export const imageMeters = {} as const;
