package scene

import "math"

// Sea is the sun that goes down behind waves.
func Sea(x, y float64) Color {
	const horizon = 0.55
	sky := func(y float64) Color {
		c := Mix(Mix(Hex(0x2b2a5c), Hex(0xc2567a), y*2.2), Hex(0xffb36b), y*2.4-0.55)
		sun := math.Hypot((x-0.42)*1.4, y-0.44)
		c = c.Add(Hex(0xffd08a), 0.6*math.Exp(-sun*sun*22))
		c = Mix(c, Hex(0x7b3f6e), 0.55*step(0.55, 0.75, clouds(x*3+9, y*14))*(1-y))
		return c
	}
	if y < horizon {
		return Mix(sky(y), Hex(0xfff3cf), step(0.088, 0.085, math.Hypot((x-0.42)*1.4, y-0.44)))
	}
	d := (y - horizon) / (1 - horizon)
	wave := noise(x*(40-26*d)+3*d, d*d*60+12)
	c := Mix(sky(horizon-d*0.5), Hex(0x0f2344), 0.35+0.5*d)
	glint := math.Exp(-math.Pow((x-0.42)/(0.05+0.13*d), 2)) * step(0.45, 0.85, wave)
	c = c.Add(Hex(0xffc27a), 0.9*glint*(1-0.5*d))
	return Mix(c, Hex(0x0a1630), 0.4*step(0.4, 0.15, wave)*(0.3+d))
}

// City is a row of towers at night, with windows and their light in a river.
func City(x, y float64) Color {
	const bank = 0.74
	if y > bank {
		d := (y - bank) / (1 - bank)
		c := City(x+0.012*math.Sin(y*150+5*noise(x*9, y*20))*(0.3+d), bank-(y-bank)*1.3-0.002)
		return Mix(c, Hex(0x060d1f), 0.35+0.35*d)
	}
	c := Mix(Hex(0x0a1030), Hex(0x6b3f7c), y*1.25)
	c = Mix(c, Hex(0xe58a7b), step(0.35, 0.9, y))
	moon := math.Hypot((x-0.78)*1.5, y-0.16)
	c = c.Add(Hex(0xcfd8ff), 0.25*math.Exp(-moon*moon*60))
	c = Mix(c, Hex(0xf6f2e2), step(0.046, 0.043, moon)*step(0.03, 0.038, math.Hypot((x-0.797)*1.5, y-0.15)))
	for i := range 3 {
		k := float64(i)
		n := 11 + 5*k
		cell := math.Floor(x*n + k*0.4)
		in := x*n + k*0.4 - cell
		top := 0.3 + 0.12*k + 0.26*(noise(cell*5.3+k*40, 7)-0.35)
		if y < top || in < 0.04 {
			continue
		}
		c = Mix(Hex(0x5b3d74), Hex(0x0b1128), (k+1)/3)
		wx, wy := in*7, (y-top)*(95-12*k)
		lit := noise(math.Floor(wx)*3.7+cell*11, math.Floor(wy)*2.9+k*20)
		if fx, fy := wx-math.Floor(wx), wy-math.Floor(wy); lit > 0.55 && fx > 0.3 && fx < 0.8 && fy > 0.3 && fy < 0.8 && wy > 1 {
			c = Mix(Hex(0xffb84d), Hex(0xfff0c2), lit*3-1.6)
		}
	}
	return c
}

// Balloons float above the morning's hills.
func Balloons(x, y float64) Color {
	c := Mix(Hex(0x7fb7e6), Hex(0xfdeccb), y*1.3)
	c = Mix(c, Hex(0xffffff), 0.6*step(0.5, 0.75, clouds(x*3, y*7+3)))
	for i := range 3 {
		k := float64(i)
		ridge := 0.72 + k*0.09 + (clouds(x*(2+k)+k*31, k*7)-0.5)*0.16
		if y > ridge {
			c = Mix(Mix(Hex(0x9cc08a), Hex(0x2f5d3a), (k+1)/3), Hex(0xfdeccb), 0.3*math.Exp(-(y-ridge)*12))
		}
	}
	for _, b := range []struct {
		x, y, r  float64
		one, two uint32
	}{{0.74, 0.24, 0.07, 0x2a9d8f, 0xe9c46a}, {0.55, 0.5, 0.045, 0x6d597a, 0xeaac8b}, {0.32, 0.33, 0.14, 0xd62839, 0xfff1d6}} {
		dx, dy := (x-b.x)/b.r, (y-b.y)/b.r
		narrow := 1 - 0.35*step(0.1, 1.25, dy)
		if e := dx*dx/(narrow*narrow) + dy*dy/(1+0.35*step(0, 0.3, dy)); e < 1 {
			seg := math.Sin(math.Asin(min(max(dx/narrow/math.Sqrt(max(1-dy*dy*0.7, 0.05)), -1), 1)) * 7)
			c = Mix(Hex(b.one), Hex(b.two), step(-0.05, 0.05, seg))
			c = Mix(c, Hex(0x1b1030), 0.45*step(-0.3, 1.3, dx+0.5*dy))
		}
		if math.Abs(dx) < 0.17 && dy > 1.42 && dy < 1.66 {
			c = Hex(0x6b4226)
		}
		if dy > 1.1 && dy < 1.45 && math.Abs(math.Abs(dx)-0.15-0.4*(1.45-dy)) < 0.015 {
			c = Hex(0x4a3526)
		}
	}
	return c
}

// Forest is fog between firs.
func Forest(x, y float64) Color {
	c := Mix(Hex(0xe9efe8), Hex(0xb9cfc8), y)
	c = Mix(c, Hex(0xfffbe8), 0.8*math.Exp(-20*(math.Pow(x-0.6, 2)+math.Pow(y-0.15, 2))))
	for i := range 6 {
		k := float64(i)
		n := 30 - 4*k
		tone := Mix(Hex(0xa9c4bc), Hex(0x0d2a24), (k+0.6)/6)
		base := 0.5 + k*0.105 + 0.06*(noise(x*3+k*9, k)-0.5)
		for j := -1.0; j <= 1; j++ {
			cell := math.Floor(x*n) + j
			mid := (cell + 0.5 + 0.5*(noise(cell*7.1+k*50, 3)-0.5)) / n
			tall := (0.14 + 0.05*k) * (0.6 + 0.8*noise(cell*3.3+k*21, 9))
			t := (y - base + tall) / tall
			if t < 0 || t > 1.4 {
				continue
			}
			wide := (0.32 + 0.4*math.Mod(t*7, 1)*0.5) * t / n
			if math.Abs(x-mid) < wide || math.Abs(x-mid) < 0.06/n {
				c = tone
			}
		}
		if y > base {
			c = Mix(tone, Hex(0xd7e4de), 0.5*math.Exp(-(y-base)*16)*(1-k/7))
		}
	}
	return c
}

// Sunflower puts seeds at the golden angle, with petals around them.
func Sunflower(x, y float64) Color {
	dx, dy := (x-0.5)*1.25, y-0.5
	r, a := math.Hypot(dx, dy), math.Atan2(dy, dx)
	c := Mix(Hex(0x2c6e49), Hex(0x9ed2a0), clouds(x*4, y*4)*1.3-0.2)
	for i := range 2 {
		k := float64(i)
		n := 21.0
		t := math.Mod(a/(2*math.Pi)*n+k/2+n, 1)*2 - 1
		if long := 0.47 - 0.04*k; r < long*(1-0.45*math.Pow(math.Abs(t), 2.4)) {
			c = Mix(Mix(Hex(0xd97706), Hex(0xffc93c), r*3.2-0.4), Hex(0xfff0a0), 0.35*(1-math.Abs(t))*r)
			c = Mix(c, Hex(0x8a4b08), 0.25*step(0.5, 1, math.Abs(t)))
		}
	}
	if r > 0.25 {
		return c
	}
	c = Mix(Hex(0x2a1606), Hex(0x6b3b10), r*3.5)
	const golden = 2.399963
	mid := math.Pow(r/0.0118, 2)
	for n := max(math.Floor(mid-26), 0); n < mid+26; n++ {
		s := 0.0118 * math.Sqrt(n)
		if d := math.Hypot(dx-s*math.Cos(n*golden), dy-s*math.Sin(n*golden)); d < 0.0086 {
			return Mix(Mix(Hex(0xf2b134), Hex(0x4a2508), r*4.4-0.15), Hex(0x1d0d02), d*75-0.1)
		}
	}
	return c
}

// Planet has rings, and stars behind it.
func Planet(x, y float64) Color {
	c := Mix(Hex(0x060614), Hex(0x2a1440), clouds(x*3, y*3)*1.5-0.4)
	if n := noise(x*300, y*300); n > 0.975 {
		c = c.Add(Hex(0xdfe8ff), (n-0.975)*38)
	}
	dx, dy := (x-0.5)*1.3, y-0.5
	u, v := dx*0.93+dy*0.37, dy*0.93-dx*0.37
	ring := math.Hypot(u, v*3.6)
	band := step(0.36, 0.365, ring) * step(0.56, 0.555, ring) * (0.45 + 0.55*noise(ring*90, 1)) * step(0.004, 0.01, math.Abs(ring-0.48))
	if r := math.Hypot(dx, dy); r < 0.27 {
		lat := v / 0.27
		body := Mix(Mix(Hex(0xc9723f), Hex(0xf3d3a2), clouds(2, lat*7+0.25*noise(u*9, lat*12))*1.5-0.2), Hex(0x8a3f2e), 0.4*step(0.6, 0.8, noise(3, lat*9)))
		light := (-u*0.7 - v*0.5 + math.Sqrt(max(0.0729-r*r, 0))) / 0.3
		c = Mix(Hex(0x0c0714), body, light)
		if v < 0 {
			return c
		}
	}
	return Mix(c, Hex(0xe8cfa6), 0.8*band)
}

// Tiles are a wall of quarter circles in six colors.
func Tiles(x, y float64) Color {
	const n = 6
	pal := []Color{Hex(0x264653), Hex(0x2a9d8f), Hex(0xe9c46a), Hex(0xf4a261), Hex(0xe76f51), Hex(0xf7ede2)}
	cx, cy := math.Floor(x*n), math.Floor(y*n)
	fx, fy := x*n-cx, y*n-cy
	pick := func(k float64) int { return int(noise(cx*3+k*17, cy*5+k*29) * 5.999) }
	ground, figure := pick(1), pick(2)
	if figure == ground {
		figure = (figure + 1) % len(pal)
	}
	if noise(cx*7, cy*11+3) > 0.5 {
		fx = 1 - fx
	}
	if noise(cx*13+5, cy*3) > 0.5 {
		fy = 1 - fy
	}
	c := pal[ground]
	switch r := math.Hypot(fx, fy); {
	case r < 0.34:
		c = pal[(figure+2)%len(pal)]
	case r < 0.97:
		c = pal[figure]
	}
	edge := min(min(fx, 1-fx), min(fy, 1-fy))
	return Mix(Hex(0x2b2b2b), Mix(c, Hex(0xffffff), 0.1*(clouds(x*30, y*30)-0.4)), step(0.006, 0.018, edge)*0.75+0.25)
}

// Coffee is a cup from above, on a wooden table.
func Coffee(x, y float64) Color {
	plank := math.Floor(y * 5)
	grain := clouds(x*3+plank*13, y*60+3*noise(x*4, plank))
	c := Mix(Hex(0x7a4a2b), Hex(0xc18b5c), grain)
	c = Mix(c, Hex(0x3b2213), 0.7*step(0.02, 0, math.Abs(y*5-math.Round(y*5))))
	dx, dy := (x-0.46)*1.25, y-0.52
	r := math.Hypot(dx, dy)
	shade := math.Hypot(dx-0.03, dy-0.04)
	c = Mix(c, Hex(0x1a0e07), 0.55*step(0.47, 0.36, shade))
	saucer := Mix(Hex(0xdfe7ea), Hex(0xffffff), 0.5-dx-dy)
	if r < 0.4 {
		c = Mix(saucer, Hex(0xb7c5cb), step(0.33, 0.31, r)*step(0.29, 0.31, r))
	}
	if hx, hy := dx-0.31, dy+0.09; math.Abs(math.Hypot(hx, hy)-0.075) < 0.02 {
		c = Mix(Hex(0xd9572b), Hex(0xf08a5d), 0.5-hy*5)
	}
	switch {
	case r < 0.225:
		swirl := math.Sin(12*r*8 - 3*math.Atan2(dy, dx) + 3*clouds(x*7, y*7))
		c = Mix(Hex(0x5a3018), Hex(0x9a6236), 0.4+0.25*swirl)
		hx, hy := dx/0.13, -(dy+0.005)/0.13
		if heart := math.Pow(hx*hx+hy*hy-1, 3) - hx*hx*hy*hy*hy; heart < 0 {
			c = Mix(Hex(0xf7e7cf), Hex(0xd9b184), step(-0.35, 0, heart)*0.7)
		}
		c = Mix(c, Hex(0x2a1408), 0.6*step(0.19, 0.225, r))
	case r < 0.26:
		c = Mix(Hex(0xd9572b), Hex(0xffb38a), 0.5-1.6*(dx+dy))
	}
	return c
}

// Portrait is a face of few shapes in the colors given, for avatars.
func Portrait(ground, hair, skin, shirt uint32, long bool) Painting {
	return func(x, y float64) Color {
		dx, dy := x-0.5, y-0.46
		c := Mix(Hex(ground), Hex(0xffffff), 0.35*(1-y))
		ell := func(cx, cy, rx, ry float64) bool {
			u, v := (x-cx)/rx, (y-cy)/ry
			return u*u+v*v < 1
		}
		if long && (ell(0.5, 0.43, 0.265, 0.29) || math.Abs(dx) < 0.265-0.1*(y-0.43) && y > 0.43 && y < 0.8) {
			c = Hex(hair)
		}
		if ell(0.5, 1.08, 0.4, 0.34) {
			c = Hex(shirt)
		}
		if math.Abs(dx) < 0.085 && y > 0.5 && y < 0.79 || ell(0.5, 0.78, 0.13, 0.07) {
			c = Mix(Hex(skin), Hex(0x5a2d1a), 0.22)
		}
		if ell(0.5, 0.47, 0.195, 0.235) {
			c = Hex(skin)
			if ell(0.425, 0.47, 0.02, 0.026) || ell(0.575, 0.47, 0.02, 0.026) {
				c = Hex(0x2b2320)
			}
			if r := math.Hypot(dx, y-0.535); r > 0.068 && r < 0.084 && y > 0.565 {
				c = Hex(0x9c3f3a)
			}
			if ell(0.395, 0.545, 0.035, 0.025) || ell(0.605, 0.545, 0.035, 0.025) {
				c = Mix(c, Hex(0xe8705f), 0.35)
			}
		}
		if fringe := 0.4 - 0.5*math.Pow(dx+0.1, 2)*8*0.22; ell(0.5, 0.42, 0.225, 0.215) && y < fringe && dy < 0 {
			c = Hex(hair)
		}
		return c
	}
}
