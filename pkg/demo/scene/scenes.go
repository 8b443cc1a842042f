package scene

import "math"

// noise is smooth noise from 0 to 1 on a grid of whole numbers.
func noise(x, y float64) float64 {
	ix, iy := math.Floor(x), math.Floor(y)
	at := func(i, j float64) float64 {
		n := uint32(int32(ix+i))*374761393 + uint32(int32(iy+j))*668265263
		n = (n ^ n>>13) * 1274126177
		return float64((n^n>>16)&0xffff) / 0xffff
	}
	s := func(t float64) float64 { return t * t * (3 - 2*t) }
	fx, fy := s(x-ix), s(y-iy)
	a := at(0, 0) + (at(1, 0)-at(0, 0))*fx
	b := at(0, 1) + (at(1, 1)-at(0, 1))*fx
	return a + (b-a)*fy
}

// clouds is noise in five sizes.
func clouds(x, y float64) (v float64) {
	for i, k := 0, 0.5; i < 5; i, k = i+1, k/2 {
		v += k * noise(x, y)
		x, y = x*2+17, y*2+31
	}
	return v
}

func step(edge0, edge1, v float64) float64 {
	t := min(max((v-edge0)/(edge1-edge0), 0), 1)
	return t * t * (3 - 2*t)
}

// Hills is seven ridges that fade into the morning.
func Hills(x, y float64) Color {
	c := Mix(Hex(0x6d8fb8), Hex(0xfbd9b0), y*1.5)
	sun := math.Hypot((x-0.68)*1.5, y-0.3)
	c = c.Add(Hex(0xffe2a8), 0.7*math.Exp(-sun*sun*40)).Add(Hex(0xffffff), step(0.05, 0.047, sun))
	for i := range 7 {
		k := float64(i)
		ridge := 0.36 + k*0.085 + (clouds(x*(3+k*0.6)+k*50, k*9)-0.5)*(0.3-k*0.015)
		if y > ridge {
			near := Mix(Hex(0xd9b8a0), Hex(0x14283a), (k+1)/7)
			c = Mix(near, Hex(0xf6cfa6), 0.35*math.Exp(-(y-ridge)*9)*(1-k/8))
		}
	}
	return c
}

// Dunes is sand under a clear evening.
func Dunes(x, y float64) Color {
	c := Mix(Hex(0x24407a), Hex(0xf0b48c), y*1.9)
	for i := range 4 {
		k := float64(i)
		crest := 0.42 + k*0.13 + 0.09*math.Sin(x*(3.4-k*0.5)+k*2.3) + 0.03*math.Sin(x*9+k)
		if y <= crest {
			continue
		}
		slope := math.Cos(x*(3.4-k*0.5)+k*2.3) + 0.4*math.Cos(x*9+k)
		light := 0.5 + 0.4*slope
		ripple := 0.5 + 0.5*math.Sin((y-crest)*220/(0.4+y)+x*14+6*noise(x*6, y*9+k*7))
		sand := Mix(Hex(0x6e2f1f), Hex(0xf4b267), light+0.1*ripple)
		c = Mix(sand, Hex(0xe9a178), 0.5*(1-k/3)*math.Exp(-(y-crest)*5))
	}
	return c
}

// Aurora is green curtains over firs.
func Aurora(x, y float64) Color {
	c := Mix(Hex(0x050a1e), Hex(0x12314a), y)
	if n := noise(x*420, y*280); n > 0.965 {
		c = c.Add(Hex(0xffffff), (n-0.965)*22*(1-y))
	}
	for i := range 3 {
		k := float64(i)
		foot := 0.52 - k*0.1 + 0.1*math.Sin(x*5+k*2) + 0.12*(clouds(x*3+k*9, k)-0.5)
		if h := foot - y; h > 0 {
			rays := 0.45 + 0.55*clouds(x*26+k*40, y*1.2)
			glow := rays * math.Exp(-h*6) * step(0, 0.03, h)
			c = c.Add(Mix(Hex(0x3df29a), Hex(0x8a4bff), h*2.6), glow*(0.85-k*0.2))
		}
	}
	tree := 0.82 - 0.05*clouds(x*4, 3)
	cell := math.Floor(x * 46)
	tall := 0.05 + 0.09*noise(cell*7.3, 1)
	if w := math.Abs(x*46-cell-0.5) * 2; y > tree-tall*(1-w)+0.004*math.Sin(y*500) {
		c = Mix(Hex(0x030709), Hex(0x0a1a1c), (1-y)*3)
	}
	return c
}

// Lake is a mountain and its image in the water.
func Lake(x, y float64) Color {
	const shore = 0.56
	if y <= shore {
		return land(x, y, shore)
	}
	d := (y - shore) / (1 - shore)
	wave := 0.004 + 0.03*d
	mx := x + wave*math.Sin(y*260/(0.3+d)+8*noise(x*5, y*30))
	c := land(mx, shore-(y-shore)*1.05+wave*0.3*math.Sin(y*190), shore)
	c = Mix(c, Hex(0x0d3b4f), 0.25+0.4*d)
	return c.Add(Hex(0xffffff), 0.05*step(0.62, 0.8, noise(x*14, y*160)))
}

func land(x, y, shore float64) Color {
	c := Mix(Hex(0x3f86c7), Hex(0xd8ecf5), y/shore)
	c = Mix(c, Hex(0xffffff), 0.8*step(0.52, 0.8, clouds(x*4+3, y*8)))
	peak := 0.13 + 0.5*math.Abs(x-0.45) + 0.14*(clouds(x*7, 4)-0.5)
	if y > peak {
		rock := Mix(Hex(0x3b4656), Hex(0x8b93a0), clouds(x*22+y*9, y*30))
		snow := step(0.07, 0.0, y-peak-0.16*(clouds(x*16, y*16)-0.25))
		c = Mix(rock, Hex(0xf8fbff), snow)
		c = Mix(c, Hex(0x9fbcd6), 0.25)
	}
	if edge := shore - 0.03 - 0.05*clouds(x*12, 9) - 0.035*noise(x*90, 2); y > edge {
		c = Mix(Hex(0x12301f), Hex(0x33603a), clouds(x*60, y*60))
	}
	return c
}

// Columns is a portico, what else.
func Columns(x, y float64) Color {
	c := Mix(Hex(0x9fc9e8), Hex(0xfdf1dc), y)
	stone := func(light float64) Color { return Mix(Hex(0x8a7a66), Hex(0xfff8ea), light) }
	grain := 0.06 * (clouds(x*40, y*60) - 0.5)
	switch {
	case y > 0.9:
		c = stone(0.75 - 0.25*math.Floor((y-0.9)*40)/4 + grain)
	case y > 0.34 && math.Abs(x-0.5) < 0.44:
		t := math.Mod((x-0.06)/0.88*5, 1)*2 - 1
		if w := 0.56 - 0.1*(0.9-y); math.Abs(t) < w || (math.Abs(t) < 0.68 && (y < 0.37 || y > 0.875)) {
			flute := 0.08 * math.Cos(t/w*26)
			c = stone(0.62 + 0.35*math.Cos(t/w*1.35+0.7) - 0.2*step(0.3, 0.9, t/w) + flute + grain)
		} else {
			c = Mix(Hex(0x2b2a33), Hex(0x6d5a52), y-0.3)
		}
	case y > 0.27 && math.Abs(x-0.5) < 0.46:
		c = stone(0.85 - 0.2*step(0.318, 0.34, y) + grain)
	case y > 0.1+math.Abs(x-0.5)*0.36 && math.Abs(x-0.5) < 0.48 && y <= 0.27:
		inner := y > 0.135+math.Abs(x-0.5)*0.4 && y < 0.25
		c = stone(0.9 + grain)
		if inner {
			c = stone(0.6 + grain)
		}
	}
	return c
}

// Ripples is two waves meet.
func Ripples(x, y float64) Color {
	a, b := math.Hypot(x-0.25, (y-0.35)*0.75), math.Hypot(x-0.78, (y-0.7)*0.75)
	v := math.Sin(a*90)/(1+a*4) + math.Sin(b*90)/(1+b*4)
	c := Mix(Mix(Hex(0x0d1b2a), Hex(0x1b6ca8), v+0.6), Mix(Hex(0xf4d35e), Hex(0xee964b), y), step(0.35, 1.1, v))
	return c.Add(Hex(0xffffff), 0.25*step(0.9, 1.4, v))
}
