export const accessRoutes = {};

export const accessEvents = {};

export const accessQuotas = {} as const;

export const accessMeters = {} as const;
