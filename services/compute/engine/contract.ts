export const engineRoutes = {};

export const engineEvents = {};

export const engineQuotas = {} as const;

export const engineMeters = {} as const;
