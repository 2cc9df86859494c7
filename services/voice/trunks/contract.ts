export const trunkRoutes = {};
